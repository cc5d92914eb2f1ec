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

// Composed returns the texts of the scripts as they are sent, by the name of their file: those named, made by how each is
// declared, and those that there are for each kind of filter.
func Composed(partition, plain []string) map[string][]string {
	all := map[string][]string{}
	for _, name := range partition {
		all[name] = append(all[name], partitionScript(name).source)
	}
	for _, name := range plain {
		all[name] = append(all[name], plainScript(name).source)
	}
	for _, kind := range seenScripts {
		for _, s := range []*script{kind.push, kind.know, kind.check, kind.info, kind.inspect, kind.confirm} {
			all[s.name] = append(all[s.name], s.source)
		}
	}
	return all
}
