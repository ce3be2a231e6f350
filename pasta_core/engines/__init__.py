"""Where simulations run: which process or machine each of their services is on."""
