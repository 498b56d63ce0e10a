"""Making, changing and merging training examples, and turning them into minibatches."""
