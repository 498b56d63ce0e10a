"""LF-MMI, the chain objective: numerator and denominator forward-backward and what is made of them."""
