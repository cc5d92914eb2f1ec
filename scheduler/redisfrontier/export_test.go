package redisfrontier

// ScriptFiles returns the text of each file of lua/ by its name.
func ScriptFiles() map[string]string {
	entries, err := luaFiles.ReadDir("lua")
	if err != nil {
		panic(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		name := e.Name()[:len(e.Name())-len(".lua")]
		files[name] = luaFile(name)
	}
	return files
}

// Composed returns the scripts as they are sent, by name, made by how each is declared.
func Composed(partition, plain []string) map[string]string {
	all := map[string]string{}
	for _, name := range partition {
		all[name] = partitionScript(name).source
	}
	for _, name := range plain {
		all[name] = plainScript(name).source
	}
	return all
}
