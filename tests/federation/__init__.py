"""The room of federations."""
