"""Training and judging mesh generators over the shards of one data set.

from training.launch import train
train("configs/experiments/demo.yaml", ["schedule.steps=200"], data="data/demo", run="runs/demo")
"""
