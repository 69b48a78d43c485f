"""Graphs of other frameworks as operations of this project's: ONNX files and modules of torch."""
