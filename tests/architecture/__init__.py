"""Architecture: which module may import which."""
