"""HTML pages and pictures of data and results."""
