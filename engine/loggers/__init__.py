"""Curves, pictures and scores of a run for the tools that people have: TensorBoard, wandb, trackio, MLflow.

metrics.jsonl stays the record of a run; the logs here can be made again from it. Never imports torch.
"""
