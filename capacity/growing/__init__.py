"""Growth: made-up payments, to see what the size of the tables costs. `filling` is the door."""
