"""Trainers other than Lightning's, each a thin layer over ``AttentionRecorder``."""
