"""Answers the tab's requests from recordings. The only folder that knows HTTP and JSON."""
