"""What servers offer and ask for, as data: items of lists, schemas, names, URIs, pages, input requests."""
