"""What tools/fetch.py is made of: packages, verified files, and the two model builders."""
