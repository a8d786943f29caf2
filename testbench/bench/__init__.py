"""The host's side of the controller's ports, twice: on the pins of the Verilog, and around the golden model."""
