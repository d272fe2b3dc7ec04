"""From a request's text to frozen values, and from those to what each dataset holds."""
