"""FastGate beside nginx, HAProxy and a bare relay: what bench/run is made of."""
