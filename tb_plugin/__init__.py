"""The TensorBoard tab: a server that reads recordings, and the page it serves."""
