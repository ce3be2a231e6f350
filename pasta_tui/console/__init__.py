"""What commands stand on: two streams, one worker, a clean end, and the pace of a long job."""
