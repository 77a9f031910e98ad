"""What exchange and routing both speak of: targets, failures, records, the request to a provider. Plain values;
nothing here imports either of them.
"""
