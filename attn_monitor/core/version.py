"""The version, where everything that writes it down may import it from."""

VERSION = "0.1.0"
