#include "code.h"

static const struct {
	const char *name;
	int status;
} codes[] = {
#define X(name, text, status) [CODE_##name] = { text, status },
	CODES(X)
#undef X
};

const char *code_name(enum code c)
{
	return codes[c].name;
}

int code_status(enum code c)
{
	return codes[c].status;
}
