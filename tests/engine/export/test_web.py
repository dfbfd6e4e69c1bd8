"""The page of a web export draws in a browser what this program draws."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.export.runtime import check_runtime, copy_runtime
from tests.engine.export.conftest import SEEDS, Exported

pytestmark = [pytest.mark.slow]

FRAME = """<!doctype html><iframe src="/index.html"></iframe><script type="module">
const frame = document.querySelector("iframe"), wait = (ms) => new Promise((done) => setTimeout(done, ms));
const find = (id) => frame.contentDocument?.getElementById(id);
const until = async (test) => { while (!test()) await wait(20); };
const seen = new Set(), asked = [];
await until(() => /Ready|not there/.test(find("said")?.textContent));
if (find("said").textContent === "Ready") {
  find("count").value = 3;
  find("draw").click();
  await until(() => { seen.add(find("said").textContent); return /Done|rror/.test(find("said").textContent); });
}
const canvas = find("faces"), context = canvas.getContext("2d");
const pixels = [...context.getImageData(0, 0, canvas.width, canvas.height).data];
const hosts = frame.contentWindow.performance.getEntriesByType("resource").map((entry) => new URL(entry.name).host);
const answer = { said: find("said").textContent, seen: [...seen], width: canvas.width, pixels, hosts };
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });
</script>"""


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("DDPM_REQUIRE_E2E"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    return found


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """onnxruntime-web as npm packs it: $DDPM_ORT_WEB, else fetched by npm."""
    given = os.environ.get("DDPM_ORT_WEB")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("npm")
    if shutil.which("npm"):
        subprocess.run(["npm", "pack", "onnxruntime-web"], cwd=folder, capture_output=True, timeout=120)
    packed = next(folder.glob("*.tgz"), None)
    if packed is None:
        pytest.skip("onnxruntime-web could not be fetched by npm: set DDPM_ORT_WEB to its .tgz or folder")
    return packed


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the folder with no special headers, the page around it, and what that sends."""

    answers: list[dict[str, object]] = []
    came = threading.Event()

    def do_GET(self) -> None:
        if self.path != "/frame":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(FRAME.encode())

    def do_POST(self) -> None:
        self.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()
        self.came.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


def opened(folder: Path, profile: Path) -> dict[str, object]:
    """What a browser saw on the page of a folder."""
    _Handler.came.clear()
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Handler, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--disable-dev-shm-usage", f"http://127.0.0.1:{server.server_port}/frame"]
        process = subprocess.Popen(
            [*command[:-1], "--remote-debugging-port=0", command[-1]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert _Handler.came.wait(120), "the page did not come to an end"
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
    return _Handler.answers.pop()


@pytest.fixture
def page(exported: Exported, tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    shutil.copytree(exported.of("web"), folder)
    return folder


def test_a_browser_draws_the_same_faces(
    exported: Exported, page: Path, runtime: Path, tmp_path: Path
) -> None:
    check_runtime(runtime) if runtime.is_dir() else None
    copy_runtime(runtime, page / "runtime")
    saw = opened(page, tmp_path / "profile")
    assert str(saw["said"]).startswith("Done in"), saw["said"]
    assert "Step 2 of 3" in saw["seen"]  # type: ignore[operator]
    assert len(set(saw["hosts"])) == 1  # type: ignore[call-overload]
    pixels = np.array(saw["pixels"]).reshape(-1, int(str(saw["width"])), 4)[..., :3]
    for index in range(SEEDS):
        row, column = divmod(index, 2)
        drawn = pixels[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert np.abs(drawn - exported.pictures[index].astype(int)).max() <= 1


def test_a_page_without_the_runtime_says_how_to_get_it(page: Path, tmp_path: Path) -> None:
    assert "npm pack onnxruntime-web" in str(opened(page, tmp_path / "profile")["said"])
