"""The mitmproxy addon: options, hooks and commands. It wires the parts together and holds no logic of its own.

mitmproxy goes on as a plain proxy when an addon fails in `load`, so nothing that can fail happens there: `configure`
collects every fault and logs them as one error, which ends mitmdump and mitmweb with status 1 before they serve
a request.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from time import time
from typing import Any

from mitmproxy import command, ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.exceptions import OptionsError
from mitmproxy.proxy import layer
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.utils import asyncio_utils

from pointsman import config, private_files, python_version
from pointsman.clients.unpriced import unpriced_warnings
from pointsman.config import ConfigError, Key, Model, Provider, Settings
from pointsman.config_watcher import ConfigWatcher
from pointsman.connection_guard import ConnectionGuard, exposure_problem, is_own_socket
from pointsman.demo_mode import DemoMode
from pointsman.gateway import Gateway
from pointsman.host_names import is_loopback_name
from pointsman.key_check import KeyCheck
from pointsman.ledger_file import FILE as LEDGER_FILE
from pointsman.ledger_file import LedgerFile
from pointsman.live_check import LiveCheck, LiveReport
from pointsman.masking import Masker
from pointsman.overrides import AdminKey, Configuration, OverrideStore, data_folder
from pointsman.overrides.shared_secret import SharedSecretFile
from pointsman.recording import retention
from pointsman.recording.log_masking import mask_logs
from pointsman.recording.log_output import LogOutput
from pointsman.recording.mitm_integration import RECORD_OPTION, MitmIntegration
from pointsman.recording.replays import route_replays
from pointsman.shared.ended_tokens import SharedEndedTokens
from pointsman.state_commands import StateCommands
from pointsman.transport.client_shutdown import close_connections
from pointsman.transport.health_prober import HealthProber
from pointsman.transport.http_layer import replace_http_layer
from pointsman.transport.mitm_patches import compat_check, first_listen, quick_lookups, unchecked_messages, whole_reads
from pointsman.transport.mitm_patches.allocator import tune_allocator
from pointsman.transport.mitm_patches.certificates import make_certificates
from pointsman.transport.mitm_patches.hook_cache import HookCache
from pointsman.transport.mitm_patches.listen_queue import stop_listening
from pointsman.transport.mitm_patches.switches import UnknownSwitch, switches
from pointsman.transport.upstream_client import UpstreamClient
from pointsman.transport.upstream_options import UpstreamOptions
from pointsman.warm_up import warm_up
from pointsman.web.access import AccessControl
from pointsman.web.context import PageContext
from pointsman.web.instances import answerers
from pointsman.web.peers import Alone
from pointsman.web.routes import make_router
from pointsman.workers.saved_changes import follow_other_workers
from pointsman.workers.this_worker import is_first, own_file, report_listening, worker_number

logger = logging.getLogger(__name__)

OPTION, DATA_OPTION = "pointsman_config", "pointsman_data"
DATA_VARIABLE = "POINTSMAN_DATA"
LOOPBACK = "127.0.0.1"
"""Where the router listens unless told otherwise."""
OPTIONS = (OPTION, DATA_OPTION, RECORD_OPTION, retention.OPTION)


class Pointsman:
    """Routes LLM chat traffic. `gateway` is None while the configuration is invalid; nothing is routed then."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None
        self._upstream_client = UpstreamClient(is_own_socket)
        self._demo = DemoMode()
        self._key_check: KeyCheck | None = None
        self._admin_key = AdminKey()
        self._access: AccessControl | None = None
        self._configuration: Configuration | None = None
        self._watcher: ConfigWatcher | None = None
        self._watch_task: asyncio.Task[Any] | None = None
        self._follow_task: asyncio.Task[Any] | None = None
        self._sets_listen_host = False
        self._holds_ports = False
        """mitmproxy's ports open in `running`."""
        self._hook_cache: HookCache | None = None
        self.ready: asyncio.Task[None] | None = None
        """Done once everything is up."""
        self._prober: HealthProber | None = None
        self._probe_task: asyncio.Task[Any] | None = None
        self._stop_replays: Callable[[], None] | None = None
        self._end_masking: Callable[[], None] | None = None
        self._log = LogOutput()
        state, guard = StateCommands(lambda: self.gateway), ConnectionGuard(lambda: self.gateway)
        self.addons = [self._log, MitmIntegration(), state, guard]

    # Start and end.

    def load(self, loader: Loader) -> None:
        loader.add_option(
            OPTION,
            str,
            "",
            "Pointsman's configuration file. Default: ./pointsman.yaml, ~/.pointsman/pointsman.yaml, demo providers.",
        )
        loader.add_option(
            DATA_OPTION,
            str,
            "",
            "Folder for changes made at runtime. Default: POINTSMAN_DATA, the history's folder, ~/.pointsman.",
        )
        # The default dials a request's original destination before it is routed, and fails the client if that fails.
        ctx.options.update(connection_strategy="lazy")
        if not ctx.options.listen_host:  # mitmproxy's default is every interface
            self._sets_listen_host = True
            self._holds_ports = first_listen.hold(ctx.master.addons.get("proxyserver"))
            ctx.options.update(listen_host=LOOPBACK)

    def configure(self, updated: set[str]) -> None:
        if self.gateway:
            self.gateway.on_options_changed()
        if self._watch_task is None:
            if self.gateway is None and OPTION in updated:
                self._start()
            return
        if changed := updated & {OPTION, "listen_host", "listen_port"}:
            logger.warning(f"Pointsman: restart to apply the new {', '.join(sorted(changed))}.")
        if "mode" in updated:
            logger.warning("Pointsman: the new mode applies to new connections; restart to apply it to existing ones.")
        if self.gateway and (problem := self._exposure_problem(self.gateway.settings)):
            raise OptionsError(f"Pointsman: invalid setting: {problem}")

    def _start(self) -> None:
        if faults := compat_check.differences():
            logger.error(
                "Pointsman does not start: mitmproxy, aiohttp or h11 differs from the tested version."
                " Install the versions of requirements.lock.\n" + "\n".join(faults)
            )
            return
        try:
            switches()
            tune_allocator()
            path = config.find_file(ctx.options.pointsman_config or None, os.environ, Path.cwd(), Path.home())
            read = partial(config.read_file, path) if path else self._demo.document
            self._configuration = Configuration(read, os.environ, self._store_for, path)
            settings = self._configuration.start()
        except ConfigError as error:
            logger.error(f"Pointsman does not start: the configuration is invalid.\n{error}")
            return
        except UnknownSwitch as error:
            logger.error(f"Pointsman does not start: {error}")
            return
        if problem := self._exposure_problem(settings):
            logger.error(f"Pointsman does not start: {problem}")
            return
        make_certificates()
        self._start_gateway(settings)
        assert self.gateway
        _log_flaws(settings)  # not before the log has its format
        if advice := python_version.security_advice():
            logger.warning(advice)
        _log_unpriced(self.gateway)
        warm_up(settings, self._upstream_client, _default_upstream(self.gateway))
        self._configuration.check, self._configuration.apply = self._exposure_problem, self._apply_settings
        if path:
            self._watcher = ConfigWatcher(path, self._configuration.reload)

    def _apply_settings(self, settings: Settings) -> None:
        assert self.gateway
        _log_flaws(settings)
        self._admin_key.update(settings.server.admin_key)
        self.gateway.update_settings(settings)
        self._log.use(settings.log.format, partial(_masker, self.gateway))
        _log_unpriced(self.gateway)
        self._demo.on_settings(settings)

    @command.command("pointsman.reload")  # type: ignore[untyped-decorator]
    def reload(self) -> None:
        """Reload the configuration file. The result is logged."""
        if self._watcher is None:
            logger.warning("Pointsman: there is no configuration file to reload.")
        else:
            asyncio_utils.create_task(self._watcher.reload(), name="reload", keep_ref=True)

    def _exposure_problem(self, settings: Settings) -> str | None:
        return exposure_problem(settings, ctx.options.mode, ctx.options.listen_host)

    def _folder(self, settings: Settings) -> Path:
        named = ctx.options.pointsman_data or os.environ.get(DATA_VARIABLE)
        return data_folder(named, settings.history.path, Path.home())

    def _store_for(self, settings: Settings) -> OverrideStore | None:
        """None if the demo has no folder that it may use: it starts all the same."""
        named = ctx.options.pointsman_data or os.environ.get(DATA_VARIABLE)
        folder = self._folder(settings)
        if self._demo.is_serving and not named and (problem := _unusable(folder)):
            logger.warning(f"Pointsman: changes are kept until this process ends: {problem}.")
            return None
        return OverrideStore(folder)

    def _start_gateway(self, settings: Settings) -> None:
        self._admin_key.find(settings.server.admin_key, self._folder(settings))
        assert self._configuration
        store = self._configuration.store
        ledger = LedgerFile(own_file(store.path.parent / LEDGER_FILE)) if store else None
        secret_file = SharedSecretFile(store.path.parent if store else None)
        self.gateway = Gateway(
            settings,
            self._upstream_client,
            self._log,
            secrets=[self._admin_key.value],
            ledger=ledger,
            secret_file=secret_file,
        )
        self._stop_replays = route_replays(self.gateway)
        self._end_masking = mask_logs(partial(_masker, self.gateway))
        self._log.use(settings.log.format, partial(_masker, self.gateway))
        self._demo.reload = self._configuration.reload
        self.gateway.exchange_recorder.on_recorded = self._demo.on_record
        self._demo.test = self._key_check = KeyCheck(self._upstream_client, partial(_default_upstream, self.gateway))
        context = self._page_context(self.gateway, self._configuration)
        self.gateway.pages = make_router(context)
        if self.gateway.shared:
            self.gateway.shared.peers.answerers.update(answerers(context))

    async def _test_key(self, provider: Provider, key: Key) -> dict[str, Any]:
        assert self._key_check
        result = await self._key_check(provider, key)
        if result["ok"]:
            self._demo.on_answer(provider.name)
        return result

    async def _ask_model(self, provider: Provider, model: Model, key: Key | None, streamed: bool = False) -> LiveReport:
        assert self.gateway
        upstream = partial(_default_upstream, self.gateway)
        return await LiveCheck(self._upstream_client, upstream, self.gateway.masker)(provider, model, key, streamed)

    def _page_context(self, gateway: Gateway, configuration: Configuration) -> PageContext:
        self._access = access = AccessControl(
            lambda: gateway.settings.server,
            lambda: self._admin_key.value,
            lambda: gateway.admission.keys,
            client_throttle=gateway.admission.throttle,
        )
        if gateway.shared:
            tokens = {"login": access.logins.tokens, "link": access.links.tokens}
            gateway.shared.hub.register(SharedEndedTokens(tokens))
        assert self._key_check
        return PageContext(
            router=gateway.router,
            recent_exchanges=gateway.recent_exchanges,
            history=gateway.history,
            running=gateway.running,
            table_sizes=gateway.table_sizes,
            metrics=gateway.metrics_text,
            configuration=configuration,
            watcher=lambda: self._watcher,
            shared=gateway.shared_state,
            peers=gateway.shared.peers if gateway.shared else Alone(),
            client_spending=gateway.clients.to_dicts,
            former_spending=gateway.clients.former_to_dicts,
            client_preview=gateway.clients.preview,
            tester=self._test_key,
            lister=self._key_check.report,
            asker=self._ask_model,
            access=access,
            is_ready=lambda: self.ready is not None and self.ready.done() and not gateway.closing,
            is_demo=lambda: self._demo.is_serving,
            started=time(),
        )

    async def running(self) -> None:
        try:
            await self._begin()
        finally:
            if self.ready is None:  # else that task does it
                gc.enable()  # `cli` has turned it off

    async def _begin(self) -> None:
        for name in ctx.options.deferred:
            if name.startswith("pointsman"):
                logger.warning(f"Unknown option {name}; Pointsman's options are {', '.join(OPTIONS)}.")
        if self.gateway is None:
            return
        await self.gateway.start_shared()  # digests of requests must be those of the peers
        await self._listen()
        self._watch_for_changes()
        if switches().hook_cache:
            self._hook_cache = HookCache(ctx.master.addons)
            self._hook_cache.install()
        for patch in (quick_lookups, unchecked_messages, whole_reads):
            patch.install()
        self.ready = asyncio_utils.create_task(self._finish_start(self.gateway), name="Pointsman begins", keep_ref=True)
        report_listening()

    async def _finish_start(self, gateway: Gateway) -> None:
        """What takes time. Other addons must not wait for it: until they run, requests that come already fail there."""
        try:
            for provider in self._demo.providers:
                await provider.start()
            await gateway.restore_history()
            self._start_prober(gateway)
            _freeze_startup_objects()
            self._announce(gateway.settings)
            self._demo.on_settings(gateway.settings)
        except Exception:
            logger.exception("Pointsman does not start.")
        finally:
            gc.enable()  # whatever happens: the process goes on

    def _watch_for_changes(self) -> None:
        assert self._configuration
        if worker_number() is not None:
            following = follow_other_workers(self._configuration)
            self._follow_task = asyncio_utils.create_task(following, name="changes of other workers", keep_ref=True)
        watch = self._watcher.run() if self._watcher else asyncio.Event().wait()
        self._watch_task = asyncio_utils.create_task(watch, name="configuration watch", keep_ref=True)
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not on Windows, not off the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.reload)

    def _start_prober(self, gateway: Gateway) -> None:
        self._prober = HealthProber(
            gateway.router,
            self._upstream_client,
            partial(_default_upstream, gateway),
            self._demo.names,
        )
        self._probe_task = asyncio_utils.create_task(self._prober.run(), name="health watch", keep_ref=True)

    async def _listen(self) -> None:
        """Open the ports that were held. Those that could not be held move to the default address."""
        server = ctx.master.addons.get("proxyserver")
        if not ctx.options.listen_host:
            self._sets_listen_host = True
            ctx.options.update(listen_host=LOOPBACK)
        if self._holds_ports:
            await first_listen.start(server)
        elif self._sets_listen_host and not all(is_loopback_name(address[0]) for address in server.listen_addrs()):
            modes = [ProxyMode.parse(mode) for mode in ctx.options.mode]
            await server.servers.update([])
            await server.servers.update(modes)

    def _announce(self, settings: Settings) -> None:
        if not is_first():
            return
        addresses = ctx.master.addons.get("proxyserver").listen_addrs()
        for host, port, *_ in addresses[:1]:
            logger.info(f"Pointsman: base URL http://{host}:{port}/v1, dashboard http://{host}:{port}/")
        names = ", ".join(settings.providers) or "none"
        logger.info(
            f"Pointsman: providers {names}"
            f"{' (built-in demo; no configuration file was found)' if self._demo.providers else ''}"
        )
        if self._demo.providers and self._configuration and (store := self._configuration.store):
            logger.info(
                f"Pointsman: keys that are added on the dashboard are kept in {store.path.parent}. The demo providers"
                " are removed when a provider of your own answers."
            )
        if addresses and self._access:
            link = self._access.links.make(self._admin_key.value, time())
            url = f"http://{_reachable(addresses[0][0])}:{addresses[0][1]}{link}"
            self._log.print_secret(f"sign in to the dashboard, once and within 5 minutes: {url}")
        if self._admin_key.is_for_this_run:
            self._log.print_secret(f"admin key for this run: {self._admin_key.value}")

    async def done(self) -> None:
        if self.ready is not None:
            self.ready.cancel()
        if self._hook_cache is not None:
            self._hook_cache.remove()
        for patch in (quick_lookups, unchecked_messages, whole_reads):
            patch.remove()
        if self._stop_replays is not None:
            self._stop_replays()
        if self._watch_task is not None:
            self._watch_task.cancel()
        if self._follow_task is not None:
            self._follow_task.cancel()
        if self._probe_task is not None and self._prober is not None:
            self._probe_task.cancel()
            await self._prober.close()
        if self.gateway is not None:
            server = ctx.master.addons.get("proxyserver")
            await stop_listening(server)
            await self.gateway.close(self.gateway.settings.server.drain, server.connections)
            await close_connections(server.connections)
        await self._upstream_client.close()
        for provider in self._demo.providers:
            await provider.close()
        self._log.close()
        if self._end_masking is not None:
            self._end_masking()

    # Traffic.

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if self.gateway is not None:
            ctx.master.addons.get("nextlayer").next_layer(nextlayer)  # a script's hook runs before the built-in one
            handler = ctx.master.addons.get("proxyserver").connections[nextlayer.context.client.id]
            replace_http_layer(nextlayer, self.gateway, handler)


def _unusable(folder: Path) -> str | None:
    """Why nothing may be kept in the folder."""
    try:
        private_files.check_folder(folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        return str(error)
    return None if folder.is_dir() else f"{folder} is not a folder; move it away"


def _reachable(host: str) -> str:
    """The address by which this machine reaches a listener."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _log_flaws(settings: Settings) -> None:
    """As warnings: mitmdump and mitmweb end when an error is logged at their start."""
    for fault in settings.faults:
        logger.warning(f"Pointsman: a provider's configuration is invalid. {fault}")
    for warning in settings.warnings:
        logger.warning(warning)


def _log_unpriced(gateway: Gateway) -> None:
    for warning in unpriced_warnings(gateway.settings.clients, gateway.router.inventory):
        logger.warning(f"Pointsman: {warning}")


def _masker(gateway: Gateway) -> Masker:
    return gateway.masker


def _default_upstream(gateway: Gateway) -> UpstreamOptions:
    """How providers are reached by requests that no client has sent."""
    return gateway.upstream_options(ProxyMode.parse(ctx.options.mode[0]))


@cache
def _freeze_startup_objects() -> None:
    """What was loaded at the start stays: a full collection that walks it all again would hold up every stream. The
    little garbage among it stays, too: to find it takes longer than to load half of the modules.
    """
    gc.freeze()
