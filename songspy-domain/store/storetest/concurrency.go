package storetest

func concurrency() suite { return suite{} }
