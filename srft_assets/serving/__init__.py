"""Model servers: started, waited for, and never left behind."""
