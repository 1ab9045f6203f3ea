"""The controlled experiment: does masking mistakes beat throwing failed runs away?"""
