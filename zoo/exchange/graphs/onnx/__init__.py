"""Files of ONNX as graphs: parsed, never run."""
