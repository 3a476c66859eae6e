package amazonmq

import "testing"

func TestVersions(t *testing.T) {
	for name, want := range map[string]struct{ found, patch, supported bool }{
		"4.3": {true, false, true}, "3.13": {true, false, true}, "3.11": {true, false, false}, "3.11.20": {true, true, false},
		"3.1": {}, "4": {}, "4.2.0.1": {}, "": {},
	} {
		v, patch, ok := FindVersion(name)
		if ok != want.found || patch != want.patch || ok && v.End.IsZero() != want.supported {
			t.Errorf("%s: %+v patch %v found %v", name, v, patch, ok)
		}
	}
	if Newest() != "4.3" || len(Supported()) != 3 {
		t.Errorf("newest %s, supported %v", Newest(), Supported())
	}
}

func TestInstances(t *testing.T) {
	for name, want := range map[string][2]bool{"mq.m5.large": {true, false}, "mq.m7g.large": {true, true}, "mq.t3.micro": {true, false}} {
		i, ok := FindInstance(name)
		if !ok || i.Runs("3.13") != want[0] || i.Runs("4.2") != want[1] {
			t.Errorf("%s: %+v", name, i)
		}
	}
	if _, ok := FindInstance("mq.m5.small"); ok {
		t.Error("mq.m5.small was found")
	}
}

func TestPasswords(t *testing.T) {
	for password, good := range map[string]bool{"SecurePassword123!": true, "short1!": false, "aaaaaaaaaaaaab": false, "has:colon123456": false} {
		if why := CheckPassword(password); (why == "") != good {
			t.Errorf("%s: %q", password, why)
		}
	}
}
