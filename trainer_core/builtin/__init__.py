"""What the package ships: the frozen dataset, the tiny tokenizer, GPT-2 vocabulary."""
