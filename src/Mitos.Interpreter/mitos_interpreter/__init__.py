"""The code interpreter of Mitos: runs in the guest and answers on port 49999. See docs/code-interpreter.md."""
