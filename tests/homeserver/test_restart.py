"""What must outlive a restart of the homeserver, and what is mended when somebody tampers with our device."""

from collections.abc import Callable

import aiohttp
import pytest

from oshiyakusho_matrix.core.errors import Temporary
from oshiyakusho_matrix.demo.synapse import EmbeddedSynapse
from oshiyakusho_matrix.homeserver.interface import NewRoom
from tests.homeserver.stages import client_for
from tests.support.installations import InstallationPool

TEXT = {"msgtype": "m.text", "body": "こんにちは"}


async def test_a_transaction_id_is_remembered_by_a_restarted_homeserver(
    new_synapse: Callable[..., EmbeddedSynapse],
) -> None:
    synapse = new_synapse()
    pool = InstallationPool(synapse)
    pool.load()
    await synapse.start()
    installation = await pool.take()
    homeserver = client_for(installation, installation.bot)
    try:
        await homeserver.ensure_bot("市役所")
        room_id = await homeserver.create_room(NewRoom(version="12"))
        first = await homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox-1")
        await synapse.stop()
        with pytest.raises(Temporary, match=r"the homeserver cannot be reached \(send_event\)"):
            await homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox-1")
        await synapse.start()
        assert await homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox-1") == first

        # An administrator removes the device: one attempt fails, the next makes it again.
        await synapse.register_user("admin", "correct horse", admin=True)
        token = await synapse.login("admin", "correct horse")
        path = f"{synapse.url}/_synapse/admin/v2/users/{installation.bot}/devices/OSHIYAKUSHO"
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.delete(path) as response:
            assert response.status == 200
        with pytest.raises(Temporary, match="device"):
            await homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox-2")
        assert await homeserver.send_event(room_id, "m.room.message", TEXT, transaction_id="outbox-2") != first
    finally:
        await homeserver.close()
        pool.close()
