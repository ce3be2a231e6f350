"""The rater study of App. B: what raters are told, what they are asked, and what their answers amount to."""
