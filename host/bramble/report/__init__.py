"""What was measured, as data (``facts``), as a judgement (``verdict``), as a terminal table and as a page."""
