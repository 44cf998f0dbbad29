"""One file a resource: takes the checked request, asks a service, shows the result."""
