"""Reading the zoos that the field already has: one file per format, and what they share.

`files` opens folders and archives, `state_dict` reads one network's tensors and runs nothing, `shapes` finds the
architecture, `labels` the table. `zoo.importing` makes a zoo of what they find.
"""
