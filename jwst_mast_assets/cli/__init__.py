"""The commands. They are thin: the same assets in the same instance as in the UI do all the work."""
