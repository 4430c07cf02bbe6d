"""The detector outside of torch: written as an ONNX or OpenVINO graph, and scored with by their runtimes.

Reading and running an export (`loading`, `exported`, `engines`, `manifest`) imports no torch; `writing`, `graph`,
`resize` and `conversion` do.
"""
