"""Methods that are computed on demand: flow, norms of values, distances, templates, patterns."""
