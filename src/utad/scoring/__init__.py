"""From the restored images to a map, a score, a mask: Eq. 8 as printed and its calibrated form, Eq. 9."""
