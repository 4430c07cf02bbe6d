"""What the speed benchmarks share: clocks, counts of arithmetic, fabricated images, and processes that answer."""
