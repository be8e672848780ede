"""The portal: the listener that people see, and the paths of Secondgate at the applications' hosts."""
