"""The commands. They are thin: all work is done by the same assets in the same instance as in the UI."""
