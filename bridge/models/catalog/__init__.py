"""The catalogue of servers: its entries and sources, their activation, and what agents propose of it."""
