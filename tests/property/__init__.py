"""Properties that hold for every instance and every plan."""
