"""Training: one loop, the losses of App. D next to their equations, and the two phases of the user model."""
