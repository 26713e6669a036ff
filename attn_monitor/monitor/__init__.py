"""What the callback is made of: probes, replay, recording, reporting. Knows no lightning."""
