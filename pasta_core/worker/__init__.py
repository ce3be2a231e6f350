"""The processes that own torch, diffusers and llama.cpp, and the client that talks to them."""
