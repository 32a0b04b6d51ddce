module gantry.test/clients/ryuk

go 1.26.0
