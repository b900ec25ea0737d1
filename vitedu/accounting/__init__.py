"""What models cost: parameters, arithmetic, memory; and the paper's numbers."""
