/* make-enrolment DIR CODE: an enrolled data directory for tests that run trib-store alone. */
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "enrolment.h"

int main(int argc, char **argv)
{
	uint8_t relay_key[32], secret[32];
	struct enrolment e;

	if (argc != 3 || sodium_init() < 0)
		return 2;
	umask(077); /* as trib-store has it */
	(void)mkdir(argv[1], 0700);
	crypto_box_keypair(relay_key, secret);
	enrolment_make(argv[1], argv[2], 107, "tcp://127.0.0.1:9", relay_key, &e);
	return 0;
}
