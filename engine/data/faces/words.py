"""The names of attribute values of built-in faces."""

from typing import Literal

HeadShape = Literal["oval", "round", "square", "heart", "long"]
HairStyle = Literal[
    "crop", "side", "quiff", "curly", "afro", "fringe", "long", "wavy", "bob", "bun", "bald", "receding"
]
EyeShape = Literal["almond", "round", "narrow", "drooping"]
Brow = Literal["arched", "straight", "raised", "stern", "soft"]
Nose = Literal["straight", "button", "broad", "long", "snub"]
Mouth = Literal["smile", "grin", "calm", "laugh", "pout", "wry"]
Beard = Literal["none", "stubble", "moustache", "goatee", "full"]
Glasses = Literal["none", "round", "square", "sun"]
Hat = Literal["none", "beanie", "cap", "brim", "band"]
Earring = Literal["none", "stud", "hoop"]
Clothing = Literal["crew", "v", "collar", "stripes", "scarf"]
Scene = Literal["plain", "gradient", "glow", "horizon", "bokeh"]
