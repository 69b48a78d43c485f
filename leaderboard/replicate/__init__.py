"""Running recorded cells again, to see whether they give what their records say."""
