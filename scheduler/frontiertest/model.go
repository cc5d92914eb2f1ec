package frontiertest

func modelCases() []testCase { return nil }
